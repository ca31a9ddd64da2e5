metadata description = 'The Flex Consumption app: one plan, one app, signed in everywhere by its identity.'

@description('Name of the app.')
param name string

@description('Name of its plan. Flex Consumption: one app a plan.')
param planName string

@description('Region.')
param location string

@description('Tags. azd finds the app by azd-service-name.')
param tags object

@description('Python version.')
param pythonVersion string

@description('Memory of each instance.')
param instanceMemoryMB int

@description('Most instances at once.')
param maximumInstanceCount int

@description('Warm instances for HTTP.')
param alwaysReadyHttpInstances int

@description('Warm instances for the stream timer.')
param alwaysReadyTickInstances int

@description('How instances are replaced when code or settings change: RollingUpdate or Recreate.')
@allowed(['RollingUpdate', 'Recreate'])
param updateStrategy string

@description('Whether it is reachable from the internet.')
param publicNetworkAccess bool

@description('Origins that browsers may call from.')
param allowedOrigins array

@description('Its user-assigned identity.')
param identityName string

@description('Where its logs go.')
param applicationInsightsName string

@description('The storage account of host and app.')
param storageAccountName string

@description('The container of its package.')
param deploymentContainerName string

@description('The subnet that it sends from; empty for none.')
param subnetId string

@description('What the app itself reads from its environment.')
param appSettings object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// The timer has instances of its own: a deployment that only serves HTTP would leave the stream to a cold start.
var alwaysReadyTick = alwaysReadyTickInstances > 0 ? [
  {
    name: 'function:stream_tick'
    instanceCount: alwaysReadyTickInstances
  }
] : []
var alwaysReadyHttp = alwaysReadyHttpInstances > 0 ? [
  {
    name: 'http'
    instanceCount: alwaysReadyHttpInstances
  }
] : []

var platformSettings = {
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  AZURE_CLIENT_ID: identity.properties.clientId
  AzureWebJobsDisableHomepage: 'true'
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  // checkov:skip=CKV_AZURE_225: Flex Consumption is spread over zones by another property, not in every region; a lost instance is taken over within its lease.
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_222: A person has to reach the routes, which ask for a key; the parameter publicNetworkAccess closes them.
  // checkov:skip=CKV_AZURE_17: Callers sign in with a function key; a client certificate would shut out browsers and probes.
  // checkov:skip=CKV_AZURE_212: Flex Consumption has no instance count of the site: alwaysReady and maximumInstanceCount stand for it.
  // checkov:skip=CKV_AZURE_78: Flex Consumption has no FTP, and asks to leave ftpsState out; basic credentials are off below.
  // checkov:skip=CKV_AZURE_213: healthCheckPath is not supported on Flex Consumption; the availability test asks the health route.
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: publicNetworkAccess ? 'Enabled' : 'Disabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    keyVaultReferenceIdentity: identity.id
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      cors: {
        allowedOrigins: allowedOrigins
        supportCredentials: false
      }
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: concat(alwaysReadyTick, alwaysReadyHttp)
      }
      // RollingUpdate drains what runs; Recreate kills it.
      siteUpdateStrategy: {
        type: updateStrategy
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  // checkov:skip=CKV_AZURE_13: These are application settings, not the site's configuration, which is on the app above.
  // checkov:skip=CKV_AZURE_63: These are application settings, not the site's configuration, which is on the app above.
  // checkov:skip=CKV_AZURE_65: These are application settings, not the site's configuration, which is on the app above.
  // checkov:skip=CKV_AZURE_66: These are application settings, not the site's configuration, which is on the app above.
  // checkov:skip=CKV_AZURE_80: These are application settings, not the site's configuration, which is on the app above.
  // checkov:skip=CKV_AZURE_88: These are application settings, not the site's configuration, which is on the app above.
  // checkov:skip=CKV_AZURE_222: These are application settings, not the site's configuration, which is on the app above.
  parent: app
  name: 'appsettings'
  properties: union(appSettings, platformSettings)
}

// No user names and passwords for deployments.
resource noFtpPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noScmPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

output name string = app.name
output hostName string = app.properties.defaultHostName
